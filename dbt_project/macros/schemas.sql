{#- A model's schema is exactly the configured one, so that readers can name `marts` without knowing the target. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
