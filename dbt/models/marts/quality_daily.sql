with

-- Calls that gave a user an answer.
answers as (

    select * from {{ ref('int_inference_outcomes') }}
    where is_answer

),

-- How many answers people said something about, and how many of those they liked.
counted as (

    select
        day,
        team,
        product,
        feature,
        response_model,
        count(*) as answers,
        count(*) filter (where feedback > 0) as answers_with_feedback,
        count(*) filter (where feedback_value is not null) as answers_with_value,
        count(*) filter (where feedback_value > 0) as answers_liked,
        sum(simulated_feedback) > 0 as simulated
    from answers
    group by day, team, product, feature, response_model

),

-- Of all answers, the share that got feedback.
feedback_rates as (

    select
        *,
        'feedback_rate' as metric,
        'these answers: the share that got feedback' as estimand,
        answers as population,
        answers_with_feedback as positives
    from counted

),

-- Of answers that got a thumb or rating, the share that was liked: those people's opinion, not everybody's.
positive_rates as (

    select
        *,
        'positive_feedback_rate' as metric,
        'these rated answers: the share rated above 0 on average' as estimand,
        answers_with_value as population,
        answers_liked as positives
    from counted

),

rates as (

    select * from feedback_rates
    union all
    select * from positive_rates

),

-- Rates that are counted, not estimated: they have no interval because nothing was drawn.
counted_rates as (

    select
        day,
        null as eval,
        metric,
        estimand,
        'team,product,feature,response_model' as slice,
        team,
        product,
        feature,
        response_model,
        cast(positives as double) / nullif(population, 0) as value,
        null as interval_low,
        null as interval_high,
        null as confidence,
        population,
        null as drawn,
        null as labels,
        positives,
        'count' as method,
        case when population = 0 then 'nobody rated an answer' end as refused,
        simulated,
        null as scheme_version,
        day as window_start,
        day as window_end,
        null as undecided,
        null as worst_case_low,
        null as worst_case_high,
        'count' as estimator,
        true as preferred,
        null as scorer,
        null as scorer_version,
        null as coefficient,
        null as labels_worth
    from rates

),

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
        labels_worth
    from {{ ref('stg_estimates') }}

),

united as (

    select * from estimated_rates
    union all
    select * from counted_rates

)

select * from united
