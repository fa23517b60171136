{% test elements_match(model, column_name, predicate) %}

select element.value

from {{ model }}
cross join jsonb_array_elements({{ column_name }}) as element (value)

-- a predicate that reads what is not there is neither true nor false
where jsonb_path_match(element.value, '{{ predicate }}') is not true

{% endtest %}
