{% macro add_keys() -%}

    {#- one order of parents everywhere: two models that lock the same two then never wait for each other -#}
    {%- set keys = model['constraints'] | rejectattr('type', 'equalto', 'check') | list -%}
    {%- set references = keys | selectattr('to') | sort(attribute='to') if var('mode') == 'replace' else [] -%}
    {%- set keys = keys | rejectattr('to') | list + references -%}

    {%- set quoted = quoted_constraints(keys) -%}

    {%- if quoted %}
        alter table {{ this }}
            add {{ adapter.render_raw_model_constraints(raw_constraints=quoted) | join(',\n            add ') }}
    {%- endif -%}

{%- endmacro %}


{% macro quoted_constraints(constraints) -%}

    {%- set quoted = [] -%}
    {%- for one in constraints -%}
        {%- set names = {'columns': quote_all(one['columns']), 'to_columns': quote_all(one['to_columns'])} -%}
        {%- do names.update({'name': adapter.quote(one['name'])} if one['name'] else {}) -%}
        {%- do quoted.append(dict(one, **names)) -%}
    {%- endfor -%}

    {{ return(quoted) }}

{%- endmacro %}


{% macro quote_all(names) -%}

    {%- set quoted = [] -%}
    {%- for name in names or [] -%}
        {%- do quoted.append(adapter.quote(name)) -%}
    {%- endfor -%}

    {{ return(quoted) }}

{%- endmacro %}
