with

-- The calls of the day, facts without text.
inferences as (

    select * from {{ ref('stg_inferences') }}

),

-- What each call cost. The worst line decides the status, so that a sum is never taken for more than it is.
costs as (

    select
        inference_id,
        sum(amount) as cost,
        case
            when count(*) filter (where status = 'unpriced') > 0 then 'unpriced'
            when count(*) filter (where status = 'unmeasured') > 0 then 'unmeasured'
            when count(*) filter (where status = 'priced') > 0 then 'priced'
            else 'free'
        end as cost_status
    from {{ ref('stg_charges') }}
    group by inference_id

),

-- Feedback given since the day, however late; a week before it too, because a trace may go on after its feedback.
feedback as (

    select * from {{ ref('stg_feedback') }}
    where {{ from_batch('day', days=-7) }}

),

traces_with_feedback as (

    select distinct trace_id from feedback
    where trace_id is not null

),

-- Calls of the day and of those beside it: where the trace of feedback lies, its call does, too, if anybody logged it.
nearby as (

    select
        inference_id,
        other_ids,
        provider_response_id,
        cache_hit
    from {{ ref('stg_inferences').render() }}
    where
        {{ from_batch('day', days=-1) }}
        and {{ before_batch_end('day', days=1) }}

),

-- Every name by which one of them is known.
known_names as (

    select inference_id as name from nearby
    union
    select {{ each_of('other_ids') }} as name from nearby
    union
    select provider_response_id as name from nearby
    where provider_response_id is not null and not cache_hit

),

-- Calls that answered in a trace somebody gave feedback on. The next day's are read too, because a trace may go
-- on past midnight; one that is silent for a whole day is two traces.
trace_answers as (

    select
        inference_id,
        trace_id,
        row_number() over (
            partition by trace_id
            order by started_at desc, inference_id desc
        ) as place_from_end
    from {{ ref('stg_inferences').render() }}
    where
        is_answer
        and trace_id in (select traces_with_feedback.trace_id from traces_with_feedback)
        and {{ from_batch('day') }}
        and {{ before_batch_end('day', days=1) }}

),

-- A call that several observers logged goes by the ids of all of them.
other_names as (

    select
        inference_id,
        started_at,
        {{ each_of('other_ids') }} as name
    from inferences

),

-- Whatever feedback may call a call: its id, another observer's, or the provider's of the response, which answers from
-- a cache repeat.
names as (

    select
        name,
        inference_id,
        row_number() over (
            partition by name
            order by preference, started_at, inference_id
        ) as place
    from (
        select
            inference_id as name,
            inference_id,
            started_at,
            1 as preference
        from inferences
        union all
        select
            name,
            inference_id,
            started_at,
            2 as preference
        from other_names
        union all
        select
            provider_response_id as name,
            inference_id,
            started_at,
            3 as preference
        from inferences
        where provider_response_id is not null and not cache_hit
    ) as every_name

),

-- Feedback on a trace belongs to its last answering call, as does feedback on a call of it that nobody logged.
attributed_feedback as (

    select
        feedback.*,
        coalesce(names.inference_id, trace_answers.inference_id) as about_inference_id
    from feedback
    left join names
        on
            feedback.inference_id = names.name
            and names.place = 1
    left join known_names on feedback.inference_id = known_names.name
    left join trace_answers
        on
            known_names.name is null
            and feedback.trace_id = trace_answers.trace_id
            and trace_answers.place_from_end = 1

),

-- What people thought of each call.
opinions as (

    select
        about_inference_id as inference_id,
        count(*) as feedback,
        count(*) filter (where origin = 'user') as user_feedback,
        count(*) filter (where value > 0) as positive_feedback,
        count(*) filter (where value < 0) as negative_feedback,
        count(*) filter (where is_correction) as corrections,
        count(*) filter (where simulated) as simulated_feedback,
        round(cast(sum(value) as double) / nullif(count(value), 0), 6) as feedback_value,
        max(given_at) as last_feedback_at
    from attributed_feedback
    group by about_inference_id

),

-- What users said and did last, signal by signal; reviewers are asked, and so are no users.
ranked_signals as (

    select
        about_inference_id as inference_id,
        signal,
        value,
        row_number() over (
            partition by about_inference_id, signal
            order by given_at desc, feedback_id desc
        ) as place_from_end
    from attributed_feedback
    where origin <> 'reviewer'

),

signals as (

    select
        inference_id,
        {{ object_of('signal', 'value') }} as signals
    from ranked_signals
    where place_from_end = 1
    group by inference_id

),

-- Labels of drawn calls lie on the call's day, those that came with foreign data on their own or later.
labels as (

    select
        inference_id,
        annotation_id,
        scheme,
        scheme_version,
        result,
        simulated,
        changed_at
    from {{ ref('stg_labels') }}
    where stands
    union all
    select
        inference_id,
        annotation_id,
        scheme,
        scheme_version,
        result,
        simulated,
        changed_at
    from {{ ref('stg_annotations') }}
    where
        stands
        and inference_id is not null
        and {{ from_batch('day', days=-1) }}

),

-- Each call's labels, the last one first.
ranked_labels as (

    select
        *,
        count(*) over (partition by inference_id) as labels,
        row_number() over (
            partition by inference_id
            order by changed_at desc, annotation_id desc, scheme desc
        ) as place_from_end
    from labels

),

-- Scores of each call and metric, the last one first.
ranked_scores as (

    select
        *,
        row_number() over (
            partition by inference_id, metric
            order by scored_at desc, scorer desc, scorer_version desc
        ) as place_from_end
    from {{ ref('stg_scores') }}
    where {{ from_batch('day', days=-1) }}

),

-- The latest score of every metric.
scores as (

    select
        inference_id,
        {{ object_of('metric', 'value') }} as scores
    from ranked_scores
    where place_from_end = 1
    group by inference_id

),

joined as (

    select
        inferences.*,

        ---------- cost
        costs.cost,
        coalesce(costs.cost_status, 'uncharged') as cost_status,

        ---------- feedback
        coalesce(opinions.feedback, 0) as feedback,
        coalesce(opinions.user_feedback, 0) as user_feedback,
        coalesce(opinions.positive_feedback, 0) as positive_feedback,
        coalesce(opinions.negative_feedback, 0) as negative_feedback,
        coalesce(opinions.corrections, 0) as corrections,
        coalesce(opinions.simulated_feedback, 0) as simulated_feedback,
        opinions.feedback_value,
        opinions.last_feedback_at,
        signals.signals,

        ---------- label
        coalesce(ranked_labels.labels, 0) as labels,
        ranked_labels.scheme as label_scheme,
        ranked_labels.scheme_version as label_scheme_version,
        ranked_labels.result as label_result,
        ranked_labels.simulated as label_simulated,
        ranked_labels.changed_at as labeled_at,

        ---------- scores
        scores.scores

    from inferences
    left join costs on inferences.inference_id = costs.inference_id
    left join opinions on inferences.inference_id = opinions.inference_id
    left join signals on inferences.inference_id = signals.inference_id
    left join ranked_labels
        on
            inferences.inference_id = ranked_labels.inference_id
            and ranked_labels.place_from_end = 1
    left join scores on inferences.inference_id = scores.inference_id

)

select * from joined
