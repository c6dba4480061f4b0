{#
  An incident of long ago may be taken or resolved today, so the whole table, which is small, is made anew.
#}
{{ config(materialized='table') }}

with

incidents as (

    select * from {{ ref('stg_incidents') }}

)

select
    day,
    incident_id,
    monitor,
    measure,
    measured_of,
    slice,
    slice_said,
    state,
    severity,
    owner,
    runbook,
    said,
    value,
    interval_low,
    interval_high,
    objective,
    began_at,
    opened_at,
    updated_at,
    resolved_at,
    opened_times,
    acknowledged_by,
    cause,
    cause_field,
    cause_said,
    evidence,
    simulated
from incidents
