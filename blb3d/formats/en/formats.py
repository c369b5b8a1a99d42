"""Short dates and the 24-hour clock, as on the portal and the floor."""

DATE_FORMAT = "M j, Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "M j, Y H:i"
SHORT_DATETIME_FORMAT = "Y-m-d H:i"
