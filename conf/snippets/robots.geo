# Address ranges of search engines' robots, for exempt-robots.conf. Made by
# conf/demo/robots-geo; empty until then.
