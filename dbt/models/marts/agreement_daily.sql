{#
  A label that comes late changes what is measured of days long past, so the whole table, which is small, is made anew.
#}
{{ config(materialized='table') }}

with

agreement as (

    select * from {{ ref('stg_agreement') }}

),

-- Figures of all annotators together: who agrees with whom is no table for everybody.
overall as (

    select
        day,
        scheme,
        scheme_version,
        field,
        metric,
        window_days,
        value,
        interval_low,
        interval_high,
        confidence,
        annotators,
        items,
        answers,
        method,
        refused,
        simulated,
        window_start,
        window_end
    from agreement
    where annotator is null

)

select * from overall
