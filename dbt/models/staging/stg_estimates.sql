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
        coalesce(estimator, 'human_only') as estimator,
        coalesce(preferred, true) as preferred,
        scorer,
        scorer_version,
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
        coefficient,
        labels_worth,

        ---------- times
        window_start,
        window_end

    from source

)

select * from renamed
