with

source as (

    select * from {{ source('lake', 'rejected') }}

),

renamed as (

    select
        day,

        ---------- ids
        event_id,
        digest,
        segment,

        ---------- what
        kind,
        source as source_name,
        reason,

        ---------- times
        received_at

    from source

)

select * from renamed
