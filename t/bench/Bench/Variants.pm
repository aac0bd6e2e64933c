package Bench::Variants;

# What is measured: configurations of nginx that let the same visitors pass.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);

our @EXPORT_OK = qw(variants config);

my @EEA = qw(AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV
    MT NL PL PT RO SE SI SK IS LI NO AX GF GP MQ RE YT MF);

my $MODULES = '/usr/lib/nginx/modules';
my $LUA     = "$MODULES/ngx_http_lua_module.so";
my $GEOIP2  = "$MODULES/ngx_http_geoip2_module.so";


# name, title; request: which of visitors.lua; lookups: what each request costs
# of these (undef: not looked at); explain: what the gate says of its decision;
# server: more directives; stops: a visitor without a record does not pass;
# budget: the ratio to bare nginx; masters: how many a cluster has, instead of
# one Redis; needs: files. Records tell of a visit today,
# as that of somebody who comes more than once does.
my @VARIANTS = (
    {
        name    => 'bare',
        title   => 'nginx alone',
        request => 'inside',
        lookups => 0,
    },
    {
        name    => 'off',
        title   => 'gate configured, `off` here',
        request => 'inside',
        lookups => 0,
        gate    => 'off',
        budget  => 1.01,
    },
    {
        name    => 'stranger',
        title   => 'outside the EEA, no cookie of ours',
        request => 'stranger',
        lookups => 0,
        gate    => 'on',
        cache   => 1,
        explain => qr/^pass; reason=outside; .* record=none\b/,
        stops   => 1,
        budget  => 1.04,
    },
    {
        name    => 'outside',
        title   => 'outside the EEA, known visitor, cache hit',
        request => 'outside',
        lookups => 0,
        gate    => 'on',
        cache   => 1,
        server  => 'consent_remember_eea off;',
        explain => qr/^pass; reason=outside; .* record=found\b/,
        stops   => 1,
        budget  => 1.08,
    },
    {
        name    => 'hit',
        title   => 'EEA, accepted, cache hit',
        request => 'inside',
        lookups => 0,
        gate    => 'on',
        cache   => 1,
        explain => qr/^pass; reason=accepted; .* record=found\b/,
        stops   => 1,
        budget  => 1.08,
    },
    {
        name    => 'lookup',
        title   => 'EEA, accepted, every request to Redis',
        request => 'inside',
        lookups => 1,
        gate    => 'on',
        explain => qr/^pass; reason=accepted; .* record=found\b/,
        stops   => 1,
        budget  => 1.35,
    },
    {
        name    => 'cluster1',
        title   => 'the same to a Redis Cluster of 1 node',
        request => 'inside',
        lookups => 1,
        gate    => 'on',
        masters => 1,
        explain => qr/^pass; reason=accepted; .* record=found\b/,
        stops   => 1,
    },
    {
        name    => 'cluster3',
        title   => 'the same to a Redis Cluster of 3 nodes',
        request => 'inside',
        lookups => 1,
        gate    => 'on',
        masters => 3,
        explain => qr/^pass; reason=accepted; .* record=found\b/,
        stops   => 1,
    },
    {
        name    => 'geoip2',
        title   => 'peer: geoip2 + map, believes a cookie',
        request => 'inside',
        lookups => 0,
        peer    => \&geoip2_server,
        modules => [$GEOIP2],
        stops   => 1,
        needs   => [$GEOIP2],
    },
    {
        name    => 'lua-dict',
        title   => 'peer: Lua, shared dict before Redis',
        request => 'inside',
        lookups => 0,
        peer    => \&lua_dict_server,
        modules => ["$MODULES/ndk_http_module.so", $LUA, $GEOIP2],
        stops   => 1,
        needs   => [$LUA, $GEOIP2],
    },
    {
        name    => 'lua',
        title   => 'peer: Lua, every request to Redis',
        request => 'inside',
        lookups => 2,
        peer    => \&lua_server,
        modules => ["$MODULES/ndk_http_module.so", $LUA, $GEOIP2],
        stops   => 1,
        needs   => [$LUA, $GEOIP2],
    },
    {
        name    => 'auth',
        title   => 'peer: auth_request to that as a service',
        request => 'inside',
        lookups => 2,
        peer    => \&auth_server,
        service => {
            name    => 'auth-service',
            peer    => \&auth_service,
            modules => ["$MODULES/ndk_http_module.so", $LUA, $GEOIP2],
        },
        stops   => 1,
        needs   => [$LUA, $GEOIP2],
    },
);


sub variants () { return map { { %$_ } } @VARIANTS }


# The configuration file of a variant. workers; single: one process, for
# valgrind; cache: size of the zone; hit: tell of the cache in a header.
sub config ($lab, $variant, %options) {
    my $dir  = $lab->{dir};
    my $name = $variant->{name};
    my $user = $> == 0 ? 'user ' . getpwuid($>) . ' ' . getgrgid($)) . ';' : '';

    my $processes = $options{single} ? 'master_process off;'
        : $lab->workers($options{workers} // 1);

    my $load = join "\n", map { "load_module $_;" }
        @{ $variant->{modules} // [] },
        $variant->{gate} ? "$lab->{build}/ngx_http_consent_gate_module.so"
        : ();

    my $temp = join "\n    ", map { "${_}_temp_path $dir/temp/$_;" }
        qw(client_body proxy fastcgi uwsgi scgi);

    my ($http, $server) = $variant->{peer} ? $variant->{peer}->($lab)
        : $variant->{gate} ? gate_server($lab, $variant, %options)
        : ('', '');

    my $check = $variant->{explain} ? server($lab, "$name-check",
        "$server\n        consent_explain on;") : '';

    return <<"END";
daemon off;
$user
$processes
pid $dir/$name.pid;
error_log $dir/$name.error.log warn;
$load

events {
    worker_connections 1024;
}

http {
    $temp
    access_log          off;
    default_type        text/html;
    open_file_cache     max=100;
    keepalive_requests  2000000000;
    keepalive_timeout   1h;
    set_real_ip_from    127.0.0.1;
    real_ip_header      X-Real-IP;

    $http
    @{[ server($lab, $name, $server) ]}
    $check
}
END
}


sub server ($lab, $name, $text) {
    my $port = $lab->port($name);

    return <<"END";
    server {
        listen  127.0.0.1:$port;
        root    $lab->{dir}/root;
$text
    }
END
}


sub gate_server ($lab, $variant, %options) {
    my $masters = $options{masters} // $variant->{masters};
    my $redis = $masters ? $lab->cluster($masters)->store
        : 'server 127.0.0.1:' . $lab->redis->port . ';';
    my $cache = $options{cache} // '64m';

    my $documents = join "\n    ", map {
        "consent_document $_ kind=accept url=/legal/$_;"
    } @{ $lab->{documents} };

    my $zone = $variant->{cache}
        ? "consent_cache zone=bench:$cache ttl=1h;" : '';
    my $header = $options{hit}
        ? 'add_header X-Consent-Cache $consent_cache;' : '';

    return (<<"END", <<"END");
    consent_store {
        $redis
        timeout  1s;
    }
    consent_key_file  @{[ $lab->keys ]};
    consent_geoip     @{[ $lab->geo ]};
    $documents
    consent_page      /policy-update;
    $zone
END
        consent_gate  $variant->{gate};
        @{[ $variant->{server} // '' ]}
        $header

        location /consent/ {
            consent_api;
        }
END
}


# $eea is 1 inside.
sub geoip2_http ($lab) {
    return <<"END";
    geoip2 @{[ $lab->geo ]} {
        \$cc country iso_code;
    }
    map \$cc \$eea {
        default 0;
        @{[ map { "$_ 1;" } @EEA ]}
    }
END
}


sub geoip2_server ($lab) {
    return (geoip2_http($lab) . <<'END', <<'END');
    map "$eea:$cookie_consent" $gate {
        default  0;
        "~^1:$"  1;
    }
END
        location / {
            if ($gate) {
                return 302 /policy-update?return=$request_uri;
            }
        }
END
}


sub lua_http ($lab) {
    return geoip2_http($lab) . <<'END';
    lua_package_path   "/usr/share/lua/5.1/?.lua;;";
    lua_shared_dict    accepted 64m;
END
}


# Asks Redis for the policies and for the record, in one pipeline.
sub lua_ask ($lab) {
    my $port  = $lab->redis->port;
    my $words = join ', ', map { qq("$_") } @{ $lab->{documents} };
    my $count = @{ $lab->{documents} };

    return <<"END";
            local redis = require("nginx.redis"):new()
            redis:set_timeouts(1000, 1000, 1000)
            if not redis:connect("127.0.0.1", $port) then
                return ngx.exit(503)
            end
            redis:init_pipeline(2)
            redis:hmget("peer:policy", $words)
            redis:hmget("peer:s:" .. visitor, $words)
            local replies = redis:commit_pipeline()
            redis:set_keepalive(60000, 128)
            local policy, record, passes = replies[1], replies[2], true
            for i = 1, $count do
                if record[i] == ngx.null
                   or tonumber(record[i]) < tonumber(policy[i])
                then
                    passes = false
                end
            end
END
}


my $LUA_BEGIN = <<'END';
        location / {
            access_by_lua_block {
            if ngx.var.eea ~= "1" then
                return
            end
            local visitor = ngx.var.cookie_consent or ""
END

my $LUA_END = <<'END';
            if not passes then
                return ngx.redirect("/policy-update?return="
                    .. ngx.escape_uri(ngx.var.request_uri), 302)
            end
            }
        }
END


sub lua_server ($lab) {
    return (lua_http($lab), $LUA_BEGIN . lua_ask($lab) . $LUA_END);
}


# A dict cannot know of a change: here it may keep what it has for an hour.
sub lua_dict_server ($lab) {
    return (lua_http($lab), $LUA_BEGIN . <<'END' . lua_ask($lab)
            local dict = ngx.shared.accepted
            if dict:get(visitor) then
                return
            end
END
        . <<'END' . $LUA_END);
            if passes then
                dict:set(visitor, true, 3600)
            end
END
}


sub auth_service ($lab) {
    my ($http, $server) = lua_server($lab);
    return ($http, $server =~ s/ngx\.redirect\(.*302\)/ngx.exit(401)/sr);
}


sub auth_server ($lab) {
    my $service = $lab->port('auth-service');

    return (<<"END", <<'END');
    upstream service {
        server     127.0.0.1:$service;
        keepalive  64;
    }
END
        location = /_auth {
            internal;
            proxy_pass               http://service/index.html;
            proxy_http_version       1.1;
            proxy_set_header         Connection "";
            proxy_set_header         Content-Length "";
            proxy_set_header         X-Real-IP $remote_addr;
            proxy_pass_request_body  off;
        }

        location / {
            auth_request  /_auth;
            error_page    401 = @page;
        }

        location @page {
            return 302 /policy-update?return=$request_uri;
        }
END
}

1;
