with

source as (

    select * from {{ source('lake', 'feedback_rates') }}

),

renamed as (

    select
        day,

        ---------- what
        signal,
        estimand,
        slice,
        team,
        product,
        response_model,
        method,
        refused,
        raw_refused,
        coalesce(simulated, false) as simulated,

        ---------- numbers
        answers,
        known,
        people,
        response_rate,
        raw_value,
        raw_low,
        raw_high,
        value,
        interval_low,
        interval_high,
        confidence,
        effective as effective_known,
        smallest_chance,
        window_days,

        ---------- times
        window_start,
        window_end

    from source

)

select * from renamed
