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
        coalesce(estimand_kind, 'calls') as estimand_kind,
        coalesce(estimator, 'human_only') as estimator,
        coalesce(preferred, true) as preferred,
        scorer,
        scorer_version,
        scheme_version,
        refused,
        coalesce(simulated, false) as simulated,
        cluster,
        differs,

        ---------- slice
        slice,
        team,
        product,
        feature,
        response_model,
        prompt_name,
        prompt_version,

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
        clusters,
        rest_value,
        rest_low,
        rest_high,
        p_value,
        adjusted_p_value,

        ---------- times
        window_start,
        window_end

    from source

)

select * from renamed
