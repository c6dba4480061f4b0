{# What engines say differently: one implementation an engine, the default as Spark says it. #}

{# Exact quantile, interpolated between the two nearest values. #}
{% macro quantile(column, fraction) %}
    {{- return(adapter.dispatch('quantile')(column, fraction)) -}}
{% endmacro %}

{% macro default__quantile(column, fraction) -%}
    percentile({{ column }}, {{ fraction }})
{%- endmacro %}

{% macro duckdb__quantile(column, fraction) -%}
    quantile_cont({{ column }}, {{ fraction }})
{%- endmacro %}


{# The hour a time lies in. #}
{% macro hour_of(column) %}
    {{- return(adapter.dispatch('hour_of')(column)) -}}
{% endmacro %}

{% macro default__hour_of(column) -%}
    date_trunc('HOUR', {{ column }})
{%- endmacro %}

{% macro duckdb__hour_of(column) -%}
    date_trunc('hour', {{ column }})
{%- endmacro %}


{# JSON object of an aggregated group, as text, keys in order. #}
{% macro object_of(key, value) %}
    {{- return(adapter.dispatch('object_of')(key, value)) -}}
{% endmacro %}

{% macro default__object_of(key, value) -%}
    to_json(map_from_entries(array_sort(collect_list(struct({{ key }}, {{ value }})))))
{%- endmacro %}

{% macro duckdb__object_of(key, value) -%}
    cast(to_json(map_from_entries(list(struct_pack(k := {{ key }}, v := {{ value }}) order by {{ key }}))) as varchar)
{%- endmacro %}


{# Whether a key of a JSON text is true; false where there is no such key. #}
{% macro json_flag(column, key) %}
    {{- return(adapter.dispatch('json_flag')(column, key)) -}}
{% endmacro %}

{% macro default__json_flag(column, key) -%}
    coalesce(get_json_object({{ column }}, '$.{{ key }}') = 'true', false)
{%- endmacro %}

{% macro duckdb__json_flag(column, key) -%}
    coalesce(json_extract_string({{ column }}, '$.{{ key }}') = 'true', false)
{%- endmacro %}


{# A row for each element of an array, in a list of columns; none where it is NULL. #}
{% macro each_of(column) %}
    {{- return(adapter.dispatch('each_of')(column)) -}}
{% endmacro %}

{% macro default__each_of(column) -%}
    explode({{ column }})
{%- endmacro %}

{% macro duckdb__each_of(column) -%}
    unnest({{ column }})
{%- endmacro %}
