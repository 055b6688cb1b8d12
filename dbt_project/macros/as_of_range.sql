{#- The range of dates that this invocation (re)builds: vars start_date and end_date, both included. -#}

{% macro has_as_of_range() -%}
    {%- set bounds = [var('start_date', none), var('end_date', none)] | reject('none') | list -%}
    {%- if bounds | length == 1 -%}
        {{ exceptions.raise_compiler_error(
            "start_date and end_date go together; pass --vars '{start_date: YYYY-MM-DD, end_date: YYYY-MM-DD}' or neither"
        ) }}
    {%- endif -%}
    {{ return(bounds | length == 2) }}
{%- endmacro %}

{#- Pre-hook of incremental marts: empties the range inside the transaction that fills it again. Unlike dbt's own
    delete+insert it also removes days that have no rows any more. -#}
{% macro delete_as_of_range(column_name) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        {%- if has_as_of_range() %}
        where {{ column_name }} between date '{{ var('start_date') }}' and date '{{ var('end_date') }}'
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Pre-hook of an incremental mart that is made anew as far as the range looks back, so that no skipped day leaves a gap. -#}
{% macro delete_lookback(column_name) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        {%- if has_as_of_range() %}
        where {{ known_in_lookback(column_name) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Predicate for the rows of such a mart: what its pre-hook removed, all where it is made the first time. -#}
{% macro known_in_kept_lookback(column_name) -%}
    {%- if is_incremental() and has_as_of_range() -%}
        {{ known_in_lookback(column_name) }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- Predicate for data tests: only the range that was just built, everything when there is none. -#}
{% macro in_as_of_range(column_name) -%}
    {%- if has_as_of_range() -%}
        {{ column_name }} between date '{{ var('start_date') }}' and date '{{ var('end_date') }}'
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- Predicate for rows that the range can use: known by its last date, and not longer ago than it looks back. Dates of a
    range are written out, so that DuckDB skips what lies outside. -#}
{% macro known_in_lookback(column_name) -%}
    {%- if has_as_of_range() -%}
        {{ column_name }} > {{ days_after("date '" ~ var('start_date') ~ "'", -lookback_days()) }}
        and {{ column_name }} <= date '{{ var('end_date') }}'
    {%- else -%}
        {{ column_name }} > (select {{ days_after('min(as_of_date)', -lookback_days()) }} from as_of_dates)
        and {{ column_name }} <= (select max(as_of_date) from as_of_dates)
    {%- endif -%}
{%- endmacro %}

{#- How far back the range looks: the longest feature window, or the wait for a label, whichever is longer. -#}
{% macro lookback_days() -%}
    {{ return([28, var('apply_window_days') + 1] | max) }}
{%- endmacro %}
