select
    number::varchar as "id",
    class::varchar as "classId",
    day as "dayOfWeek",
    clock(start) as "startTime",
    clock(start + length) as "endTime"
from lessons
order by number
