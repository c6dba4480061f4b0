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
        worst_case_low,
        worst_case_high,
        population,
        drawn,
        labels,
        positives,
        undecided,

        ---------- times
        window_start,
        window_end

    from source

)

select * from renamed
