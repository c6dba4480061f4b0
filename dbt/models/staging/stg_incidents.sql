with

source as (

    select * from {{ source('lake', 'incidents') }}

),

renamed as (

    select
        day,

        ---------- ids
        incident_id,
        monitor,

        ---------- what
        measure,
        measured_of,
        slice,
        slice_said,
        state,
        severity,
        owner,
        runbook,
        said,
        cause,
        cause_field,
        cause_said,
        evidence,
        acknowledged_by,
        simulated,

        ---------- numbers
        value,
        low as interval_low,
        high as interval_high,
        objective,
        opened_times,

        ---------- times
        began_at,
        opened_at,
        updated_at,
        resolved_at

    from source

)

select * from renamed
