with

-- Rates estimated from labels, with their intervals.
estimated_rates as (

    select
        day,
        eval,
        metric,
        estimand,
        slice,
        team,
        product,
        feature,
        response_model,
        value,
        interval_low,
        interval_high,
        confidence,
        population,
        drawn,
        labels,
        positives,
        method,
        refused,
        simulated,
        scheme_version,
        window_start,
        window_end,
        undecided,
        worst_case_low,
        worst_case_high,
        estimator,
        preferred,
        scorer,
        scorer_version,
        coefficient,
        labels_worth,
        prompt_name,
        prompt_version,
        estimand_kind,
        cluster,
        clusters,
        rest_value,
        rest_low,
        rest_high,
        p_value,
        adjusted_p_value,
        differs,
        labels_worth - labels as labels_saved
    from {{ ref('stg_estimates') }}

)

select * from estimated_rates
