"""Models of object stores: S3 as boto3's client shows it, Cloud Storage as its SDK's objects do. Each cloud's is
imported by itself: the other's SDK need not be there."""
