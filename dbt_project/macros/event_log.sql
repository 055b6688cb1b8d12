{#- Reading the event log: where it lies, what an absent type looks like, which copy of an event counts. -#}

{#- Folder that holds `events/`. Read when a statement runs, never while parsing, so that a manifest holds no path. -#}
{% macro lake_root() -%}
    {{ var('lake_root', none) or env_var('MLIFE_LAKE_ROOT', '../var/demo/lake') }}
{%- endmacro %}

{% macro event_files(event_type) -%}
    {{ lake_root() | trim | replace("'", "''") }}/events/event_type={{ event_type }}/*/*/*.parquet
{%- endmacro %}

{#- All stored rows of one event type. A type that has no file yet is an empty relation with the declared columns. -#}
{% macro read_events(event_type) -%}
    {%- set relation = source('events', event_type) -%}
    {%- set is_fixture = relation.is_cte -%}
    {%- if not execute or is_fixture -%}
        select * from {{ relation }}
    {%- elif run_query("select count(*) from glob('" ~ event_files(event_type) ~ "')").columns[0].values()[0] > 0 -%}
        select *
        from read_parquet(
            '{{ event_files(event_type) }}',
            hive_partitioning = true,
            hive_types_autocast = false,
            filename = true,
            file_row_number = true
        )
    {%- else -%}
        {{ empty_events(event_type) }}
    {%- endif -%}
{%- endmacro %}

{% macro empty_events(event_type) -%}
    {%- set found = graph.sources.values() | selectattr('name', 'equalto', event_type) | first -%}
    select
        {% for column in found.columns.values() -%}
            cast(null as {{ column.data_type }}) as {{ column.name }},
        {% endfor -%}
        cast(null as varchar) as filename,
        cast(null as bigint) as file_row_number
    where false
{%- endmacro %}

{#- Which stored rows repeat an event: all of an event_id but the first observed (among equals the first in file order).
    Nearly always none, so removing them by an anti join costs one pass over narrow columns, and filters on the view
    still reach the files; a window over whole rows would sort every column. -#}
{% macro repeated_events() -%}
    select filename, file_row_number
    from source
    where event_id in (select event_id from source group by event_id having count(*) > 1)
    qualify row_number() over (partition by event_id order by observed_at, filename, file_row_number) > 1
{%- endmacro %}

{#- First as_of_date whose features may use a row: an as_of_date sees what was observed before its midnight (UTC). -#}
{% macro available_date(observed_at) -%}
    cast({{ observed_at }} as date) + 1
{%- endmacro %}
