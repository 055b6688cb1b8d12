{#- A mart of messages that is kept: a run makes the rows of messages anew of which a fact came or changed since the last
    run, instead of all of them. The rows are those that building all gives.

    Staging notes in `main.changes_of_<event type>` from which day on a type was staged anew (macros/staged.sql). Facts of
    those days name the messages that may have changed; conversions are compared with what the mart holds of them, since
    a new bid changes what old ones earned. The comment of the mart says by which SQL it was built, and which notes it
    knows; it changes in the same transaction. Whatever does not fit builds the mart as a whole: other SQL, dbt by hand
    (which does not say var `kept_definition`), a type that was staged as a whole, rows that are gone or changed. -#}

{#- The event types that a mart is kept by. -#}
{% macro followed_events() -%}
    {{ return(['message_planned', 'message_submitted', 'message_status', 'message_suppressed']) }}
{%- endmacro %}

{% macro changes_of(event_type) -%}
    {{ this.database }}.main.changes_of_{{ event_type }}
{%- endmacro %}

{#- Note how a table was staged: as a whole, from a day on, or not at all. A row that was there before and is not as it
    was counts as the whole, since what followed from it cannot be found by what is there; so does a table whose mark
    before, `held`, is not that of the last note: somebody staged it who leaves none. -#}
{% macro note_change(event_type, target, added, held, mark) -%}
    {%- set changes = changes_of(event_type) -%}
    {%- set since = added.since if added else none -%}
    {%- call statement('changes') -%}
        create table if not exists {{ changes }} (number bigint, is_whole boolean, since date, mark varchar)
    {%- endcall -%}
    {%- call statement('change') -%}
        insert into {{ changes }}
        select
            coalesce(max(number), 0) + 1,
            {% if added -%}
                coalesce(arg_max(mark, number) <> '{{ held }}', true)
                {% if since -%}
                    or exists (from staged_before except from {{ target }} where available_date > date '{{ since }}')
                {%- endif -%}
            {%- else -%}
                true
            {%- endif %},
            {{ "date '" ~ since ~ "'" if since else 'null' }},
            {{ "'" ~ mark ~ "'" if mark else 'null' }}
        from {{ changes }}
    {%- endcall -%}
{%- endmacro %}

{% macro comment_of(relation) -%}
    {{ return(run_query(
        "select max(comment) from duckdb_tables() where database_name = '" ~ relation.database ~ "' and schema_name = '"
        ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
    ).columns[0].values()[0]) }}
{%- endmacro %}

{#- Event type -> {number: of the newest note, since: first day that was staged anew since this mart was built, or null};
    none where this mart has to be built as a whole. -#}
{% macro kept_changes() -%}
    {%- set definition = var('kept_definition', none) -%}
    {%- if not execute or not definition or flags.FULL_REFRESH -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set known = fromjson(comment_of(this) or '{}', {}) -%}
    {%- if known.definition != definition -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set found = newest_notes() -%}
    {%- for event_type in followed_events() -%}
        {%- set seen = known.seen.get(event_type, none) -%}
        {%- if seen is none or found[event_type] is none or found[event_type].number < seen -%}
            {{ return(none) }}
        {%- endif -%}
        {%- set row = run_query(
            "select coalesce(bool_or(is_whole), false), cast(min(since) as varchar) from " ~ changes_of(event_type)
            ~ " where number > " ~ seen
        ).rows[0] -%}
        {%- if row[0] -%}
            {{ return(none) }}
        {%- endif -%}
        {%- do found[event_type].update({'since': row[1]}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- Event type -> {number: of the newest note}; none where there is none, as after another release. -#}
{% macro newest_notes() -%}
    {%- set found = {} -%}
    {%- for event_type in followed_events() -%}
        {%- set number = run_query("select max(number) from " ~ changes_of(event_type)).columns[0].values()[0] -%}
        {%- do found.update({event_type: none if number is none else {'number': number | int}}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- Predicate for facts of messages that are to be built: those that changed, or all. -#}
{% macro of_changed_messages() -%}
    {{ 'true' if kept_changes() is none else 'message_id in (select message_id from changed_messages)' }}
{%- endmacro %}

{#- Query of what each message led to. -#}
{% macro conversions_of_messages() -%}
    select
        message_id,
        min(occurred_at) filter (where conversion_kind = 'click') as first_clicked_at,
        min(occurred_at) filter (where conversion_kind = 'apply') as first_applied_at,
        min(occurred_at) filter (where conversion_kind = 'hire') as first_hired_at,
        {{ exact_sum('revenue_usd') }} as revenue_usd

    from {{ ref('fct_conversions') }}
    where message_id is not null
    group by message_id
{%- endmacro %}

{#- Query of the messages whose rows in `target` may not be what building it as a whole gives. -#}
{% macro changed_messages(target, changes) -%}
    {%- for event_type, change in changes.items() if change.since -%}
        select message_id from {{ ref('stg_events__' ~ event_type) }}
        where available_date > date '{{ change.since }}'
        union
    {% endfor -%}
    select coalesce(present.message_id, earlier.message_id) as message_id
    from ({{ conversions_of_messages() }}) as present
    full join (
        select * from {{ target }} where is_clicked or is_applied or first_hired_at is not null or revenue_usd <> 0
    ) as earlier
        on present.message_id = earlier.message_id
    where (present.first_clicked_at, present.first_applied_at, present.first_hired_at, present.revenue_usd)
        is distinct from
        (earlier.first_clicked_at, earlier.first_applied_at, earlier.first_hired_at, earlier.revenue_usd)
{%- endmacro %}

{% materialization kept, adapter='duckdb' %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set changes, definition = kept_changes(), var('kept_definition', none) -%}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if changes is none -%}
        {%- if existing is not none -%}
            {%- do adapter.drop_relation(existing) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ create_table_as(False, target, compiled_code) }}
        {%- endcall -%}
    {%- else -%}
        {%- call statement('changed') -%}
            create or replace temporary table changed_messages as ({{ changed_messages(target, changes) }})
        {%- endcall -%}
        {%- call statement('outdated') -%}
            delete from {{ target }} where message_id in (select message_id from changed_messages)
        {%- endcall -%}
        {%- call statement('main') -%}
            insert into {{ target }} by name (
                {{ compiled_code }}
            )
        {%- endcall -%}
        {%- call statement('forgotten') -%}
            drop table changed_messages
        {%- endcall -%}
    {%- endif -%}

    {%- set seen = {} -%}
    {%- if definition -%}
        {%- for event_type, note in (changes or newest_notes()).items() if note is not none -%}
            {%- do seen.update({event_type: note.number}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- call statement('mark') -%}
        comment on table {{ target }} is
        {{ "'" ~ tojson({'definition': definition, 'seen': seen}, sort_keys=True) ~ "'" if definition else 'null' }}
    {%- endcall -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}

    {{ return({'relations': [target]}) }}
{% endmaterialization %}
