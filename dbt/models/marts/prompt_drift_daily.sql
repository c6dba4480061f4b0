{#
  A few rows a day, so the whole table is made anew.
#}
{{ config(materialized='table') }}

with

prompts as (

    select * from {{ ref('stg_prompt_drift') }}

)

select
    day,
    product,
    status,
    prompt_name,
    prompt_version,
    nearest_name,
    nearest_version,
    similarity,
    calls,
    of_calls,
    changes,
    example
from prompts
