with

source as (

    select * from {{ source('lake', 'estimates') }}

),

renamed as (

    select
        day,

        ---------- what
        eval,
        metric,
        estimand,
        method,
        scheme_version,
        refused,
        coalesce(simulated, false) as simulated,

        ---------- slice
        slice,
        team,
        product,
        feature,
        response_model,

        ---------- numbers
        value,
        interval_low,
        interval_high,
        confidence,
        population,
        drawn,
        labels,
        positives,

        ---------- times
        window_start,
        window_end

    from source

)

select * from renamed
