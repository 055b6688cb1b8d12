{#- Staging the event log by day: a run adds the days that are new instead of reading the whole log again.

    Who calls dbt may say in var `staged` what a type lacks since a table of it was built: event type ->
    {since: first day that has new files, or null, files: all files from that day on, as keys of the lake}. From that day on
    the table is staged anew, so that a late file of an old day gives the same rows as staging everything. A type that is
    not named there is read as a whole. Var `staged_mark` says up to where the log was known; it is kept as the
    comment of the table, in the same transaction. -#}

{% macro added_events(event_type) -%}
    {{ return(var('staged', {}).get(event_type, none)) }}
{%- endmacro %}

{% materialization staged, adapter='duckdb' %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set event_type = model.name | replace('stg_events__', '') -%}
    {%- set added, is_followed = added_events(event_type), event_type in followed_events() -%}

    {%- set held = comment_of(target) if is_followed else none -%}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if added is none -%}
        {%- if existing is not none and not existing.is_table -%}
            {%- do adapter.drop_relation(existing) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            create or replace table {{ target }} as (
                {{ compiled_code }}
            )
        {%- endcall -%}
    {%- else -%}
        {%- if added.since -%}
            {%- if is_followed -%}
                {%- call statement('before') -%}
                    create or replace temporary table staged_before as (
                        from {{ target }} where available_date > date '{{ added.since }}'
                    )
                {%- endcall -%}
            {%- endif -%}
            {%- call statement('days_to_stage_again') -%}
                delete from {{ target }} where available_date > date '{{ added.since }}'
            {%- endcall -%}
        {%- endif -%}
        {%- call statement('main') -%}
            insert into {{ target }} by name (
                {{ compiled_code }}
            )
        {%- endcall -%}
    {%- endif -%}

    {%- set mark = var('staged_mark', none) -%}
    {%- call statement('mark') -%}
        comment on table {{ target }} is {{ "'" ~ mark ~ "'" if mark else 'null' }}
    {%- endcall -%}
    {%- if is_followed -%}
        {%- do note_change(event_type, target, added, held, mark) -%}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}

    {{ return({'relations': [target]}) }}
{% endmaterialization %}
