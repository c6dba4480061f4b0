with

source as (

    select * from {{ source('lake', 'labels') }}

),

renamed as (

    select
        day,

        ---------- ids
        annotation_id,
        item_id,
        draw_id,
        inference_id,
        annotator_hash,

        ---------- what
        scheme,
        scheme_version,
        result,
        stratum,
        deleted_at is null and not coalesce(cancelled, false) as stands,
        coalesce(simulated, false) as simulated,

        ---------- numbers
        inclusion_probability,
        duration_s,

        ---------- times
        created_at,
        coalesce(updated_at, created_at) as changed_at,
        deleted_at

    from source

)

select * from renamed
