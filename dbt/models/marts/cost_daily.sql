with

outcomes as (

    select * from {{ ref('int_inference_outcomes') }}

),

-- What a team's calls of a day used and cost. A sum with unpriced calls beside it is a lower bound.
summed as (

    select
        day,

        ---------- who and what
        team,
        product,
        feature,
        provider,
        response_model,
        prompt_name,
        prompt_version,

        ---------- calls
        count(*) as calls,
        count(*) filter (where error_type is not null) as errors,
        count(*) filter (where cost_status = 'priced') as priced_calls,
        count(*) filter (where cost_status = 'free') as free_calls,
        count(*) filter (where cost_status = 'unpriced') as unpriced_calls,
        count(*) filter (where cost_status = 'unmeasured') as unmeasured_calls,
        count(*) filter (where cost_status = 'uncharged') as uncharged_calls,

        ---------- tokens
        cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
        cast(coalesce(sum(cache_read_tokens), 0) as bigint) as cache_read_tokens,
        cast(coalesce(sum(cache_write_tokens), 0) as bigint) as cache_write_tokens,
        cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
        cast(coalesce(sum(reasoning_tokens), 0) as bigint) as reasoning_tokens,

        ---------- money
        sum(cost) as cost

    from outcomes
    group by day, team, product, feature, provider, response_model, prompt_name, prompt_version

)

select * from summed
