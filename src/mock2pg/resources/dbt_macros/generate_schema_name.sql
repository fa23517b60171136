{% macro generate_schema_name(custom_schema_name, node) -%}

    {{ target.schema if target.name == 'published' else custom_schema_name or target.schema }}

{%- endmacro %}
