with

source as (

    select * from {{ source('lake', 'consistency') }}

),

renamed as (

    select
        day,

        ---------- what
        across,
        product,
        method,
        refused,

        ---------- numbers
        questions,
        disagreeing_questions,
        pairs,
        value,
        interval_low,
        interval_high,
        confidence

    from source

)

select * from renamed
