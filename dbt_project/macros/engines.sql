{#- What DuckDB and Athena (Trino) say in different words. Everything else in the models is said in words that both have:
    whole numbers are cast before they are divided, which Trino would round; `max_by` and `row(...)` for the greatest of
    several; `date_diff`. `mlife_tests/dbt/trino_reading.py` finds what Trino would refuse. -#}

{#- A date so many days after another; before it, where `days` is negative. -#}
{% macro days_after(date, days) -%}
    {{ return(adapter.dispatch('days_after')(date, days)) }}
{%- endmacro %}

{% macro default__days_after(date, days) -%}
    {{ date }} {{ '-' if days < 0 else '+' }} {{ days | abs }}
{%- endmacro %}

{% macro athena__days_after(date, days) -%}
    cast(date_add('day', {{ days }}, {{ date }}) as date)
{%- endmacro %}

{#- Query of every date from the earliest to the latest of a relation, both included; `bounds` are two expressions. -#}
{% macro every_date(relation, first, last, name) -%}
    {{ return(adapter.dispatch('every_date')(relation, first, last, name)) }}
{%- endmacro %}

{% macro default__every_date(relation, first, last, name) -%}
    select cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date) as {{ name }}
    from {{ relation }}
{%- endmacro %}

{% macro athena__every_date(relation, first, last, name) -%}
    select cast(dates.{{ name }} as date) as {{ name }}
    from (select {{ first }} as first_date, {{ last }} as last_date from {{ relation }}) as bounds
    cross join unnest(sequence(bounds.first_date, bounds.last_date, interval '1' day)) as dates ({{ name }})
{%- endmacro %}

{#- When a date begins, as the times of events are kept. -#}
{% macro midnight_of(date) -%}
    {{ return(adapter.dispatch('midnight_of')(date)) }}
{%- endmacro %}

{% macro default__midnight_of(date) -%}
    cast({{ date }} as timestamp with time zone)
{%- endmacro %}

{% macro athena__midnight_of(date) -%}
    cast({{ date }} as timestamp)
{%- endmacro %}

{#- Day of the week, Monday being 1. -#}
{% macro iso_weekday(date) -%}
    {{ return(adapter.dispatch('iso_weekday')(date)) }}
{%- endmacro %}

{% macro default__iso_weekday(date) -%}
    isodow({{ date }})
{%- endmacro %}

{% macro athena__iso_weekday(date) -%}
    day_of_week({{ date }})
{%- endmacro %}

{#- MD5 of a text as 32 hex digits. -#}
{% macro text_hash(text) -%}
    {{ return(adapter.dispatch('text_hash')(text)) }}
{%- endmacro %}

{% macro default__text_hash(text) -%}
    md5({{ text }})
{%- endmacro %}

{% macro athena__text_hash(text) -%}
    lower(to_hex(md5(to_utf8({{ text }}))))
{%- endmacro %}

{#- Query of the rows of staged events that were observed first, or last, of those with the same `key`; an event_id is in
    a staged relation once. -#}
{% macro first_of_each(relation, key, where='true', is_last=false) -%}
    {{ return(adapter.dispatch('first_of_each')(relation, key, where, is_last)) }}
{%- endmacro %}

{% macro default__first_of_each(relation, key, where, is_last) -%}
    {%- set order = ' desc' if is_last else '' -%}
    select * from {{ relation }}
    where {{ where }}
    qualify row_number() over (partition by {{ key }} order by observed_at{{ order }}, event_id{{ order }}) = 1
{%- endmacro %}

{% macro athena__first_of_each(relation, key, where, is_last) -%}
    select * from {{ relation }}
    where event_id in (
        select {{ 'max_by' if is_last else 'min_by' }}(event_id, row(observed_at, event_id)) as event_id
        from {{ relation }}
        where {{ where }}
        group by {{ key }}
    )
{%- endmacro %}

{#- Join of the row of `relation` that counts at a date: the one with the latest `since` up to it. A key has each `since`
    once. `kind` is inner or left. -#}
{% macro join_latest(kind, relation, key, of, since, at) -%}
    {{ return(adapter.dispatch('join_latest')(kind, relation, key, of, since, at)) }}
{%- endmacro %}

{% macro default__join_latest(kind, relation, key, of, since, at) -%}
    asof {{ kind }} join {{ relation }}
        on {{ of }}.{{ key }} = {{ relation }}.{{ key }}
        and {{ of }}.{{ at }} >= {{ relation }}.{{ since }}
{%- endmacro %}

{% macro athena__join_latest(kind, relation, key, of, since, at) -%}
    {{ kind }} join (
        select *, lead({{ since }}) over (partition by {{ key }} order by {{ since }}) as next_date from {{ relation }}
    ) as {{ relation }}
        on {{ of }}.{{ key }} = {{ relation }}.{{ key }}
        and {{ of }}.{{ at }} >= {{ relation }}.{{ since }}
        and coalesce({{ of }}.{{ at }} < {{ relation }}.next_date, true)
{%- endmacro %}

{#- The columns of a mart as its file of properties lists them, without some. -#}
{% macro columns_of(mart, alias, without) -%}
    {%- if not execute -%}
        {{ alias }}.*
    {%- else -%}
        {%- set found = graph.nodes.values() | selectattr('name', 'equalto', mart) | first -%}
        {%- for name in found.columns if name not in without -%}
            {{ alias }}.{{ name }}{{ ",\n        " if not loop.last }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
