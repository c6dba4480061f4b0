with

source as (

    select * from {{ source('lake', 'prompt_drift') }}

),

renamed as (

    select
        day,

        ---------- what
        product,
        status,
        prompt_name,
        prompt_version,
        nearest_name,
        nearest_version,
        changes,
        example,

        ---------- numbers
        similarity,
        calls,
        of_calls

    from source

)

select * from renamed
