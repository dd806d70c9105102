"""A Scrapy project whose spider says who it is and pays for what it reads."""
