{#
  A condition on a model's day column: from the first day of the batch on, moved by some days. For inputs that belong
  to a call but lie on another day than the call: late feedback, labels, scores. True where there is no batch
  (a unit test, or compiling by hand).
#}
{% macro from_batch(column, days=0) -%}
    {%- if model.batch -%}
        {%- set first = model.batch.event_time_start + modules.datetime.timedelta(days=days) -%}
        {{ column }} >= cast('{{ first.date() }}' as date)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{# The other end: before the last day of the batch, moved by some days. #}
{% macro before_batch_end(column, days=0) -%}
    {%- if model.batch -%}
        {%- set end = model.batch.event_time_end + modules.datetime.timedelta(days=days) -%}
        {{ column }} < cast('{{ end.date() }}' as date)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
