{#- Reading the event log: where it lies, what an absent type looks like, which copy of an event counts. -#}

{#- Folder that holds `events/`. Read when a statement runs, never while parsing, so that a manifest holds no path. -#}
{% macro lake_root() -%}
    {{ var('lake_root', none) or env_var('MLIFE_LAKE_ROOT', '../var/demo/lake') }}
{%- endmacro %}

{#- The files to read as SQL, quotes included: all of a type, or those that the caller says were added. -#}
{% macro event_files(event_type) -%}
    {%- set root = lake_root() | trim | replace("'", "''") -%}
    {%- set added = added_events(event_type) -%}
    {%- if added is none -%}
        '{{ root }}/events/event_type={{ event_type }}/*/*/*.parquet'
    {%- else -%}
        [{% for key in added.files %}'{{ root }}/{{ key }}'{{ ', ' if not loop.last }}{% endfor %}]
    {%- endif -%}
{%- endmacro %}

{#- Whether there is anything to read: a list of no files, or a pattern that fits none, is an error to DuckDB. -#}
{% macro has_files(event_type) -%}
    {%- set added = added_events(event_type) -%}
    {%- if added is not none -%}
        {{ return(added.files | length > 0) }}
    {%- endif -%}
    {{ return(run_query("select count(*) from glob(" ~ event_files(event_type) ~ ")").columns[0].values()[0] > 0) }}
{%- endmacro %}

{#- Rows of one event type that are to be staged, as rows of the version that its source declares: all that are stored,
    or those of added files. Older files lack columns that came later, which are null then; a type without any file is
    an empty relation. Files of a newer version than the declared one are refused. -#}
{% macro read_events(event_type) -%}
    {{ return(adapter.dispatch('read_events')(event_type)) }}
{%- endmacro %}

{% macro default__read_events(event_type) -%}
    {%- set relation = source('events', event_type) -%}
    {%- if not execute or relation.is_cte -%}
        select * from {{ relation }}
    {%- else -%}
        {%- set found = graph.sources.values() | selectattr('name', 'equalto', event_type) | first -%}
        {%- set upcasters = found.config.meta.get('upcasters', []) -%}
        {%- set files = event_files(event_type) -%}
        {%- if not has_files(event_type) -%}
            {{ no_events(found.columns.values()) }}
        {%- else -%}
            {%- set newest = run_query("select max(version) from (" ~ file_versions(files) ~ ")").columns[0].values()[0] -%}
            {%- if newest is not none and newest > found.config.meta.get('version', 1) -%}
                {{ exceptions.raise_compiler_error(
                    event_type ~ " has files of version " ~ newest ~ ", which a newer mlife wrote; upgrade mlife"
                ) }}
            {%- endif -%}
            {%- if upcasters and not upcasters | rejectattr('adds', 'defined') | list -%}
                {{ extended_events(files, found.columns.values(), upcasters) }}
            {%- elif upcasters -%}
                {{ upcast_events(files, found.columns.values(), upcasters) }}
            {%- else -%}
                {{ stored_events(files, found.columns.values()) }}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The same from the catalogue of Athena, which gives null for columns that a file lacks and cannot see the version in its
    footer: the check of `event_catalog` finds files of a newer one. Times are in UTC and have no zone there. -#}
{% macro athena__read_events(event_type) -%}
    {%- set relation = source('events', event_type) -%}
    {%- if not execute -%}
        select * from {{ relation }}
    {%- else -%}
        {%- set found = graph.sources.values() | selectattr('name', 'equalto', event_type) | first -%}
        {%- set upcasters = found.config.meta.get('upcasters', []) -%}
        {%- if upcasters | rejectattr('adds', 'defined') | list -%}
            {{ exceptions.raise_compiler_error(
                event_type ~ " has an upcaster that does more than add columns; write it for Athena in event_log.sql"
            ) }}
        {%- endif -%}
        {%- set added = {} -%}
        {%- for column in upcasters | map(attribute='adds') | sum(start=[]) -%}
            {%- do added.update({column.name: column.sql}) -%}
        {%- endfor -%}
        select
            {%- for column in found.columns.values() %}
            {% if column.name in added -%}
                coalesce({{ column.name }}, {{ added[column.name] }})
            {%- elif column.data_type == 'timestamp with time zone' -%}
                cast({{ column.name }} as timestamp(6))
            {%- else -%}
                {{ column.name }}
            {%- endif %} as {{ column.name }},
            {%- endfor %}
            "$path" as filename
        from {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- Versions of the files that name one in their footer; a file that names none is of version 1. -#}
{% macro file_versions(files) -%}
    select file_name, cast(decode(value) as integer) as version
    from parquet_kv_metadata({{ files }})
    where decode(key) = 'mlife.event_version'
{%- endmacro %}

{% macro no_events(columns) -%}
    select
        {% for column in columns -%}
            cast(null as {{ column.data_type }}) as {{ column.name }},
        {% endfor -%}
        cast(null as varchar) as filename,
        cast(null as bigint) as file_row_number
    where false
{%- endmacro %}

{#- Rows as they are stored, with all of `columns`: null where a file has none. -#}
{% macro stored_events(files, columns) -%}
    select *
    from read_parquet(
        {{ files }},
        hive_partitioning = true,
        hive_types_autocast = false,
        union_by_name = true,
        filename = true,
        file_row_number = true
    )
    union all by name
    {{ no_events(columns) }}
{%- endmacro %}

{#- Rows of all versions where each upcaster only adds columns: older files lack them and they are never null in newer
    ones. One pass over the files, of the columns that are asked for; `upcast_events` would gather them all, features of
    every prediction included. -#}
{% macro extended_events(files, columns, upcasters) -%}
    select * replace (
        {%- for column in upcasters | map(attribute='adds') | sum(start=[]) %}
        coalesce({{ column.name }}, {{ column.sql }}) as {{ column.name }}
        {{- "," if not loop.last }}
        {%- endfor %}
    )
    from ({{ stored_events(files, columns) }}) as stored
{%- endmacro %}

{#- Rows of all versions as rows of today's: each upcaster takes what was stored for its version or one since the upcaster
    before, and what that one gave. -#}
{% macro upcast_events(files, columns, upcasters) -%}
    {%- set known = columns | list + (upcasters | map(attribute='columns') | sum(start=[])) -%}
    with

    file_versions as (

        {{ file_versions(files) }}

    ),

    stored as (

        {{ stored_events(files, known | unique(attribute='name')) }}

    ),

    versioned as (

        select
            stored.*,
            coalesce(file_versions.version, 1) as event_version
        from stored
        left join file_versions on stored.filename = file_versions.file_name

    )

    {%- for upcaster in upcasters %},

    from_version_{{ upcaster.version }} as (

        select {{ upcaster.select }}
        from (
            {{ events_of_versions(upcaster.columns, loop.previtem, upcaster.version) }}
        ) as stored

    )
    {%- endfor %}

    {{ events_of_versions(columns, upcasters | last, none) }}
{%- endmacro %}

{#- Rows that were stored for a version after that of `upcaster`, up to `last`, and those that `upcaster` gives. -#}
{% macro events_of_versions(columns, upcaster, last) -%}
    select
        {{ columns | map(attribute='name') | join(', ') }},
        filename,
        file_row_number
    from versioned
    where event_version > {{ upcaster.version if upcaster else 0 }}
    {%- if last %}
    and event_version <= {{ last }}
    {%- endif -%}
    {%- if upcaster %}
    union all by name
    select * from from_version_{{ upcaster.version }}
    {%- endif -%}
{%- endmacro %}

{#- Rows of an event type without those that repeat an event: of an event_id the first observed counts, among equals the
    first in file order; where days are added, what is staged of the days before was observed first. Repeats are nearly always none, so removing them by an anti join costs one pass over narrow
    columns; a window over whole rows would sort every column. The rows are written out wherever they are read: DuckDB
    stores a view without `not materialized`, and would gather all columns of all files for each query. -#}
{% macro first_observed(event_type) -%}
    {{ return(adapter.dispatch('first_observed')(event_type)) }}
{%- endmacro %}

{#- Athena has no number of a row in its file: of rows of one file that repeat an event at the same instant any counts. -#}
{% macro athena__first_observed(event_type) -%}
    select *
    from (
        select
            source.*,
            row_number() over (partition by event_id order by observed_at, filename) as copy
        from ({{ read_events(event_type) }}) as source
    ) as numbered
    where copy = 1
{%- endmacro %}

{% macro default__first_observed(event_type) -%}
    {%- set rows = read_events(event_type) -%}
    select *
    from ({{ rows }}) as source
    anti join (
        select filename, file_row_number
        from ({{ rows }}) as source
        where event_id in (select event_id from ({{ rows }}) as source group by event_id having count(*) > 1)
        qualify row_number() over (partition by event_id order by observed_at, filename, file_row_number) > 1
    ) as repeated using (filename, file_row_number)
    {%- if added_events(event_type) is not none %}
    anti join {{ this }} as earlier using (event_id)
    {%- endif %}
{%- endmacro %}

{#- First as_of_date whose features may use a row: an as_of_date sees what was observed before its midnight (UTC). -#}
{% macro available_date(observed_at) -%}
    {{ days_after('cast(' ~ observed_at ~ ' as date)', 1) }}
{%- endmacro %}
