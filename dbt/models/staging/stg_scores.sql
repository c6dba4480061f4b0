with

source as (

    select * from {{ source('lake', 'scores') }}

),

renamed as (

    select
        day,

        ---------- ids
        inference_id,

        ---------- what
        metric,
        scorer,
        scorer_version,

        ---------- numbers
        value,

        ---------- times
        scored_at

    from source

)

select * from renamed
