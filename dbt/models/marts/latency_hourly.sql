with

outcomes as (

    select
        *,
        {{ hour_of('started_at') }} as hour
    from {{ ref('int_inference_outcomes') }}

),

-- How fast an hour's calls were, failed and cached ones included.
summed as (

    select
        day,
        hour,

        ---------- what
        product,
        provider,
        response_model,

        ---------- calls
        count(*) as calls,
        count(*) filter (where error_type is not null) as errors,
        count(*) filter (where cache_hit) as cache_hits,
        count(latency_ms) as measured_calls,

        ---------- latency
        round({{ quantile('latency_ms', 0.5) }}, 3) as latency_p50_ms,
        round({{ quantile('latency_ms', 0.95) }}, 3) as latency_p95_ms,
        round({{ quantile('latency_ms', 0.99) }}, 3) as latency_p99_ms

    from outcomes
    group by day, hour, product, provider, response_model

)

select * from summed
