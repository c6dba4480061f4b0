with

source as (

    select * from {{ source('lake', 'charges') }}

),

renamed as (

    select
        day,

        ---------- ids
        charge_id,
        inference_id,
        price_id,
        price_snapshot,

        ---------- what
        token_kind,
        status,

        ---------- numbers
        quantity,
        price_per_token,
        amount,

        ---------- times
        valid_at,
        known_at

    from source

)

select * from renamed
