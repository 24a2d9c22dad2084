SELECT traits FROM stores WHERE uri = :uri
