{% macro postgres__get_table_columns_and_constraints() -%}

    {%- set checks = quoted_constraints(model['constraints'] | selectattr('type', 'equalto', 'check')) -%}
    {%- set columns = adapter.render_raw_columns_constraints(raw_columns=model['columns']) -%}

    (
        {{ (columns + adapter.render_raw_model_constraints(raw_constraints=checks)) | join(',\n        ') }}
    )

{%- endmacro %}
