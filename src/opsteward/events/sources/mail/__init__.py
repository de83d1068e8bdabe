"""E-mail as a source: what programs mail to people (cron, monit, smartd, Nagios, a UPS) is mailed here too."""
