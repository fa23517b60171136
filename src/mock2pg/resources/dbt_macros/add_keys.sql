{% macro add_keys() -%}

    {#- one order of parents everywhere: two models that lock the same two then never wait for each other -#}
    {%- set keys = model['constraints'] | rejectattr('type', 'equalto', 'check') | list -%}
    {%- set references = keys | selectattr('to') | sort(attribute='to') if var('mode') == 'replace' else [] -%}
    {%- set keys = keys | rejectattr('to') | list + references -%}

    {%- set quoted = [] -%}
    {%- for key in keys -%}
        {%- do quoted.append(dict(key, columns=quote_all(key['columns']), to_columns=quote_all(key['to_columns']))) -%}
    {%- endfor -%}

    {%- if quoted %}
        alter table {{ this }}
            add {{ adapter.render_raw_model_constraints(raw_constraints=quoted) | join(',\n            add ') }}
    {%- endif -%}

{%- endmacro %}


{% macro quote_all(names) -%}

    {#- but for names with capitals, which PostgreSQL folds in the table, too -#}
    {%- set quoted = [] -%}
    {%- for name in names or [] -%}
        {%- do quoted.append(adapter.quote(name) if name == name | lower else name) -%}
    {%- endfor -%}

    {{ return(quoted) }}

{%- endmacro %}
