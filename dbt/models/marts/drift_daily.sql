{#
  A day that comes late changes later days that are compared with it, so the whole table, which is small, is made anew.
#}
{{ config(materialized='table') }}

with

tests as (

    select * from {{ ref('stg_drift') }}

)

select
    day,
    drift,
    product,
    part,
    measure,
    value,
    typical,
    noise,
    p_value,
    level,
    alarm,
    reference_askers,
    window_askers,
    reference_calls,
    window_calls,
    encoder,
    method,
    refused,
    reference_start,
    reference_end,
    window_start,
    window_end
from tests
