{#
  What a data test reads: the days the run was given, or everything where it was given none. So a run of one day
  tests what it wrote, whatever the history. Every tested model has a `day`.
#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [] -%}
    {%- if config.get('where') -%}
        {%- do conditions.append(config.get('where')) -%}
    {%- endif -%}
    {%- for bound, name in [('>=', 'event_time_start'), ('<', 'event_time_end')] -%}
        {%- if invocation_args_dict.get(name) -%}
            {%- set day = (invocation_args_dict[name] | string)[:10] -%}
            {%- do conditions.append("day " ~ bound ~ " cast('" ~ day ~ "' as date)") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if conditions -%}
        {%- do return('(select * from ' ~ relation ~ ' where ' ~ conditions | join(' and ') ~ ') as tested') -%}
    {%- endif -%}
    {%- do return(relation) -%}
{%- endmacro %}
