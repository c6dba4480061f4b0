with

source as (

    select * from {{ source('lake', 'drift') }}

),

renamed as (

    select
        day,

        ---------- what
        drift,
        product,
        part,
        measure,
        method,
        encoder,
        refused,
        alarm,

        ---------- numbers
        value,
        typical,
        noise,
        p_value,
        level,
        reference_askers,
        window_askers,
        reference_calls,
        window_calls,

        ---------- times
        reference_start,
        reference_end,
        window_start,
        window_end

    from source

)

select * from renamed
