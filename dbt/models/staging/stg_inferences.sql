with

source as (

    select * from {{ source('lake', 'inferences') }}

),

renamed as (

    select
        day,

        ---------- ids
        inference_id,
        other_ids,
        provider_response_id,
        trace_id,
        span_id,
        session_id,
        user_hash,

        ---------- who
        product,
        team,
        feature,
        environment,
        arm,

        ---------- what
        operation,
        provider,
        request_model,
        response_model,
        service_tier,
        prompt_name,
        prompt_version,
        index_name,
        index_version,
        attempt,
        finish_reason,
        error_type,
        coalesce(cache_hit, false) as cache_hit,
        error_type is null
        and coalesce(operation in ('chat', 'text_completion', 'generate_content'), true) as is_answer,

        ---------- tokens
        input_tokens,
        cache_read_tokens,
        cache_write_tokens,
        output_tokens,
        reasoning_tokens,

        ---------- times
        started_at,
        received_at,
        latency_ms,
        time_to_first_token_ms

    from source

)

select * from renamed
