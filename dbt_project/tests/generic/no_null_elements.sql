{% test no_null_elements(model, column_name) %}

select {{ column_name }}

from {{ model }}

where array_position({{ column_name }}, null) is not null

{% endtest %}
