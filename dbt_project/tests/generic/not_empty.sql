{% test not_empty(model) %}

select count(*) as rows

from {{ model }}

having count(*) = 0 and '{{ var("mode") }}' = 'replace'

{% endtest %}
