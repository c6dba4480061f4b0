with

source as (

    select * from {{ source('lake', 'agreement') }}

),

renamed as (

    select
        day,

        ---------- what
        scheme,
        scheme_version,
        field,
        metric,
        answer,
        method,
        refused,
        coalesce(simulated, false) as simulated,

        ---------- who
        annotator,
        other_annotator,

        ---------- numbers
        value,
        interval_low,
        interval_high,
        confidence,
        annotators,
        items,
        answers,
        window_days,

        ---------- times
        window_start,
        window_end

    from source

)

select * from renamed
