"""What `make bench` is made of: workers that measure, rows that judge, a report."""
