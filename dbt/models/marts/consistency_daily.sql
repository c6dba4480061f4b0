{#
  A call that comes late changes the week's later days, so the whole table, which is small, is made anew.
#}
{{ config(materialized='table') }}

with

compared as (

    select * from {{ ref('stg_consistency') }}

)

select
    day,
    across,
    product,
    questions,
    disagreeing_questions,
    pairs,
    value,
    interval_low,
    interval_high,
    confidence,
    method,
    refused
from compared
