"""The measurements, one kind in each file: functions that return rows of the table."""
