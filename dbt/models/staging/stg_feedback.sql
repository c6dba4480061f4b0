with

source as (

    select * from {{ source('lake', 'feedback') }}

),

renamed as (

    select
        day,

        ---------- ids
        feedback_id,
        inference_id,
        trace_id,
        user_hash,

        ---------- who
        team,

        ---------- what
        origin,
        signal,
        correction is not null as is_correction,
        {{ json_flag('attributes', 'simulated') }} as simulated,

        ---------- numbers
        cast(value as decimal(9, 6)) as value,

        ---------- times
        given_at,
        received_at

    from source

)

select * from renamed
