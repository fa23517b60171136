{% macro add_keys() -%}

    {#- one order of parents everywhere: two models that lock the same two then never wait for each other -#}
    {%- set keys = model['constraints'] | rejectattr('type', 'equalto', 'check') | list -%}
    {%- set references = keys | selectattr('to') | sort(attribute='to') if var('mode') == 'replace' else [] -%}
    {%- set keys = keys | rejectattr('to') | list + references -%}

    {%- if keys %}
        alter table {{ this }}
            add {{ adapter.render_raw_model_constraints(raw_constraints=keys) | join(',\n            add ') }}
    {%- endif -%}

{%- endmacro %}
