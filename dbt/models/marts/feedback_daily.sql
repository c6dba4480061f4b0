{#
  A thumb that comes late changes windows of days long past, so the whole table, which is small, is made anew.
#}
{{ config(materialized='table') }}

with

rates as (

    select * from {{ ref('stg_feedback_rates') }}

)

select
    day,
    signal,
    estimand,
    slice,
    team,
    product,
    response_model,
    window_days,
    answers,
    known,
    people,
    response_rate,
    raw_value,
    raw_low,
    raw_high,
    raw_refused,
    value,
    interval_low,
    interval_high,
    confidence,
    effective_known,
    smallest_chance,
    method,
    refused,
    simulated,
    window_start,
    window_end
from rates
