with

source as (

    select * from {{ source('lake', 'steps') }}

),

renamed as (

    select
        day,

        ---------- ids
        step_id,
        trace_id,
        parent_id,

        ---------- who
        product,
        team,

        ---------- what
        operation,
        name,
        error_type,

        ---------- times
        started_at,
        latency_ms

    from source

)

select * from renamed
