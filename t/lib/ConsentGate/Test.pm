package ConsentGate::Test;

# One test: its directory, its servers, and a look at their logs at the end.

use v5.36;

use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use Test::More ();

use ConsentGate::Cluster;
use ConsentGate::Fake;
use ConsentGate::Geo qw(address_of make_mmdb standard_networks);
use ConsentGate::HTTP;
use ConsentGate::Nginx;
use ConsentGate::Process qw(free_port slurp wait_for);
use ConsentGate::Redis;
use ConsentGate::Sentinel;
use ConsentGate::Relay;

our @EXPORT    = qw(address_of wait_for slurp);
our @EXPORT_OK = qw(address_of wait_for slurp);

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');

my $BUILD = $ENV{CG_BUILD} // "$ROOT/build";
my $TAIL  = 30;                             # lines of a log shown on failure
my $LOGS  = 10;                             # and of how many logs

# What must not be in a log.
my $ALARM = qr/\[(?:alert|crit|emerg)\]/;
my $SANITIZER = qr/
    (?:Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer
    | :\ runtime\ error:
/x;

my @open;                                   # tests that were not done


sub new ($class, %options) {
    my $self = bless {
        module => 1,
        %options,
        ports  => {},
        allow  => [],
        nginx  => [],
        redis  => [],
        fakes  => [],
        owner  => $$,
    }, $class;

    $self->make_dir;
    push @open, $self;

    return $self;
}


# build/t/NAME, emptied. The same test at the same time gets another one.
sub make_dir ($self) {
    my $name = $self->{name} // $0 =~ s{^(?:.*/)?t/}{}r =~ s{\.t$}{}r
        =~ s{[^A-Za-z0-9_.-]+}{-}gr;

    make_path("$BUILD/t");
    $self->{dir} = "$BUILD/t/$name";

    open $self->{lock}, '>', "$BUILD/t/.$name.lock" or croak "lock: $!";
    $self->{dir} .= ".$$" if !flock $self->{lock}, LOCK_EX | LOCK_NB;

    remove_tree($self->{dir});
    make_path("$self->{dir}/root");

    # A socket's path is at most 107 bytes long, a checkout's any length.
    $self->{sockets} = File::Temp->newdir('consent-gate.XXXXXXXX',
        TMPDIR => 1);

    return;
}


sub dir ($self) { return $self->{dir} }


sub write_file ($self, $name, $content, $mode = undef) {
    my $path = $name =~ m{^/} ? $name : "$self->{dir}/$name";

    make_path(dirname($path));
    open my $fh, '>:raw', "$path.new" or croak "$path: $!";
    print $fh $content;
    close $fh or croak "$path: $!";
    chmod $mode, "$path.new" if defined $mode;
    rename "$path.new", $path or croak "$path: $!";

    return $path;
}


# A file that the servers of the test serve.
sub page ($self, $name, $content) {
    return $self->write_file("root/$name", $content);
}


# A free port, the same for the same name.
sub port ($self, $name = '') {
    return $self->{ports}{$name} //= free_port();
}


# The keys of the tests: always the same, or other lines.
sub key_file ($self, @lines) {
    @lines = ('subject ' . '0123456789abcdef' x 4,
        'sign k1 ' . 'fedcba9876543210' x 4) if !@lines;

    return $self->write_file('keys', join('', map { "$_\n" } @lines), 0600);
}


# Databases.

sub mmdb ($self, $networks, %options) {
    return make_mmdb("$BUILD/t/mmdb", $networks, %options);
}


# Each country in a network of its own: address_of('DE').
sub standard_database ($self) {
    return $self->mmdb(standard_networks());
}


# The one of the demo, made from tor-geoipdb.
sub real_database ($self) {
    my $path = "$BUILD/geo/country.mmdb";

    make_path("$BUILD/geo");
    open my $lock, '>', "$BUILD/geo/.lock" or croak "lock: $!";
    flock $lock, LOCK_EX or croak "lock: $!";

    if (!-e $path) {
        my $made = `make -s -C '$ROOT' BUILD='$BUILD' geoip 2>&1`;
        -e $path or croak "cannot make $path: $made";
    }

    return $path;
}


# Servers.

sub redis ($self, %options) {
    my $n = @{ $self->{redis} };

    if (!%options && $n) {
        return $self->{redis}[0];
    }

    my $redis = ConsentGate::Redis->new(
        dir    => "$self->{dir}/redis" . ($n || ''),
        socket => "$self->{sockets}/redis$n.sock",
        %options,
    );
    push @{ $self->{redis} }, $redis;

    return $redis;
}


# Several, that are one: a cluster, a group with sentinels.
sub cluster ($self, %options) {
    return ConsentGate::Cluster->new(test => $self, %options);
}

sub sentinel ($self, %options) {
    return ConsentGate::Sentinel->new(test => $self, %options);
}


# A scripted server instead: %%FAKE%%.
sub fake ($self, %script) {
    my $n = @{ $self->{fakes} };

    my $fake = ConsentGate::Fake->new(dir => $self->{dir},
        port => $self->port('fake' . ($n || '')), script => \%script);
    push @{ $self->{fakes} }, $fake;

    return $fake;
}


# Between nginx and Redis: %%RELAY%%.
sub relay ($self) {
    return $self->{relay} //= ConsentGate::Relay->new(dir => $self->{dir},
        port => $self->port('relay'), to => $self->redis->socket);
}


# A browser that has seen nothing yet; it may have served before. Options are
# those of ConsentGate::Chromium.
sub chromium ($self, %options) {
    my $kind = join '-', 'chromium', map { "$_$options{$_}" }
        sort keys %options;

    require ConsentGate::Chromium;

    return ($self->{browsers}{$kind} //= ConsentGate::Chromium->new(%options,
        dir => "$self->{dir}/$kind"))->forget;
}


# Writes policies: publish(terms => { version => 2, required => 2 }).
sub publish ($self, %policies) {
    my %fields = map {
        my $p = $policies{$_};
        $_ => join ' ', map { "$_=$p->{$_}" } sort keys %$p
    } keys %policies;

    return $self->redis->cmd('HSET', 'gc:p', %fields);
}


# Starts nginx. The text is the content of http {}, or a whole configuration
# if it has one.
sub nginx ($self, $text, %options) {
    my $nginx = $self->make_nginx($text, %options);

    push @{ $self->{nginx} }, $nginx;

    return $nginx->start;
}


sub make_nginx ($self, $text, %options) {
    my $n    = @{ $self->{nginx} };
    my $name = $options{name} // 'nginx' . ($n || '');

    return ConsentGate::Nginx->new(
        dir    => $self->{dir},
        name   => $name,
        port   => $self->port,
        config => $self->config($text, %options, name => $name),
    );
}


# The exit code and the output of nginx -t for a configuration.
sub nginx_t ($self, $text, %options) {
    return $self->make_nginx($text, name => 'test', %options)->test_config;
}


# Gives a running nginx another configuration; as ConsentGate::Nginx::reload.
sub reload ($self, $text = undef, %options) {
    my $nginx = $options{nginx} // $self->{nginx}[0];

    $nginx->write_config(
        $self->config($text, %options, name => $nginx->{name}))
        if defined $text;

    return $nginx->reload;
}


# The configuration file.

sub config ($self, $text, %options) {
    if ($text !~ /^\s*http\s*\{/m) {
        $text = join "\n", '%%MAIN%%', $options{main} // '',
            'events {', '    %%EVENTS%%', $options{events} // '', '}',
            'http {', '%%HTTP%%', $text, '}', '';
    }

    1 while $text =~ s/%%([A-Z]+)(?:_([a-z0-9]+))?%%/
        $self->placeholder($1, $2 \/\/ '', \%options)/gex;

    return $text;
}


my %PLACEHOLDER = (
    PORT    => sub ($self, $name, $) { $self->port($name) },
    DIR     => sub ($self, @) { $self->{dir} },
    ROOT    => sub ($self, @) { "$self->{dir}/root" },
    TOP     => sub ($self, @) { $ROOT },
    KEYS    => sub ($self, @) {
        -e "$self->{dir}/keys" ? "$self->{dir}/keys" : $self->key_file;
    },
    GEO     => sub ($self, @) { $self->standard_database },
    REALGEO => sub ($self, @) { $self->real_database },
    REDIS   => sub ($self, @) { $self->redis->address },
    PASSWORD => sub ($self, @) {
        $self->write_file('gate.pass', $ConsentGate::Redis::USER{gate}, 0600);
    },
    FAKE    => sub ($self, @) { $self->{fakes}[0]->address },
    RELAY   => sub ($self, @) { $self->relay->address },
    MAIN    => \&main_block,
    EVENTS  => sub (@) { 'worker_connections 512;' },
    HTTP    => \&http_block,
    REALIP  => sub (@) {
        'set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;';
    },
    CONSENT => \&consent_block,
    CERT    => sub ($self, @) { ($self->certificate)[0] },
    CERTKEY => sub ($self, @) { ($self->certificate)[1] },
);


sub placeholder ($self, $what, $name, $options) {
    my $value = $PLACEHOLDER{$what} or croak "no placeholder %%$what%%";
    return $value->($self, $name, $options);
}


sub main_block ($self, $, $options) {
    my $name   = $options->{name};
    my $level  = $ENV{CG_DEBUG} ? 'debug' : 'info';
    my $module = module_path();
    my @lines  = (
        'daemon off;',
        'worker_processes ' . ($options->{workers} // 1) . ';',
        "pid $self->{dir}/$name.pid;",
        "error_log $self->{dir}/$name.error.log $level;",
    );

    push @lines, 'user ' . getpwuid($>) . ' ' . getgrgid($)) . ';' if $> == 0;
    push @lines, "load_module $module;" if $self->{module} && $module ne '';

    return join "\n", @lines;
}


sub http_block ($self, $, $options) {
    my @lines = "access_log $self->{dir}/$options->{name}.access.log;";

    for my $what (qw(client_body proxy fastcgi uwsgi scgi)) {
        push @lines, "${what}_temp_path $self->{dir}/temp/$what;";
    }

    return join "\n", map { "    $_" } @lines;
}


# What most tests begin with. The timeouts are long: a machine that runs many
# tests at once is slow. Visits are not remembered, for that is written when
# nobody waits for it.
sub consent_block (@) {
    return <<'END';
    consent_store {
        server           %%REDIS%%;
        username         gate;
        password_file    %%PASSWORD%%;
        connect_timeout  2s;
        timeout          2s;
        write_timeout    2s;
    }
    consent_key_file %%KEYS%%;
    consent_geoip %%GEO%%;
    consent_document terms   kind=accept      "title=Terms of Use"
                             url=/legal/terms   version=1 required=1;
    consent_document privacy kind=acknowledge "title=Privacy Policy"
                             url=/legal/privacy version=1 required=1;
    consent_document cookies kind=acknowledge "title=Cookies Policy"
                             url=/legal/cookies version=1 required=1;
    consent_page /policy-update;
    consent_remember_eea off;
END
}


sub module_path () {
    return $ENV{CG_MODULE} // "$BUILD/ngx_http_consent_gate_module.so";
}


# A self-signed certificate for localhost: its path, and that of its key.
sub certificate ($self) {
    my ($cert, $key) = ("$self->{dir}/cert.pem", "$self->{dir}/key.pem");

    if (!-e $cert) {
        my $log = "$self->{dir}/openssl.log";
        system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
            . " -nodes -days 30 -subj /CN=localhost -keyout '$key'"
            . " -out '$cert' > '$log' 2>&1") == 0
            or croak 'openssl: ' . slurp($log);
    }

    return ($cert, $key);
}


# Clients.

sub http ($self, %options) {
    return ConsentGate::HTTP->new(port => $self->port, %options);
}


# A browser in a country (undef: wherever 127.0.0.1 is), with a cookie jar,
# that navigates. Needs %%REALIP%%.
sub browser ($self, $country = undef, %options) {
    my $http = $self->client($country, [
        'Accept'         => 'text/html,application/xhtml+xml,*/*;q=0.8',
        'Sec-Fetch-Mode' => 'navigate',
        'Sec-Fetch-Dest' => 'document',
    ], %options);
    $http->jar;

    return $http;
}


# A script of a page that calls an API.
sub script ($self, $country = undef, %options) {
    return $self->client($country, [
        'Accept'         => 'application/json',
        'Sec-Fetch-Mode' => 'cors',
        'Sec-Fetch-Dest' => 'empty',
    ], %options);
}


sub client ($self, $country, $headers, %options) {
    push @$headers, 'X-Real-IP' => address_of($country) if defined $country;
    push @$headers, @{ delete $options{headers} // [] };

    return $self->http(headers => $headers, %options);
}


# One request on a connection of its own, for tests that need no more.
sub get ($self, $uri, @headers) {
    return $self->http->get($uri, @headers);
}


sub post ($self, $uri, $body, @headers) {
    return $self->http->post($uri, $body, @headers);
}


# HTTP/2, TLS: curl. Returns its output, and its exit code in $?.
sub curl ($self, @arguments) {
    open my $curl, '-|', qw(curl --silent --show-error --insecure
        --max-time 20), @arguments or croak "curl: $!";
    local $/;
    my $output = readline($curl) // '';
    close $curl;

    return $output;
}


# Logs.

sub log ($self, $n = 0) {
    return slurp($self->{nginx}[$n]{log});
}


sub log_size ($self, $n = 0) {
    return -s $self->{nginx}[$n]{log};
}


# Waits for a line in the error log, from an offset on. Returns what matched.
sub wait_for_log ($self, $pattern, %options) {
    my $nginx = $options{nginx} // $self->{nginx}[0];
    my $from  = $options{from} // 0;

    return wait_for(sub {
        substr(slurp($nginx->{log}), $from) =~ /($pattern)/ ? $1 : undef;
    }, $options{timeout} // 5);
}


sub access_log ($self, $n = 0) {
    return slurp("$self->{dir}/$self->{nginx}[$n]{name}.access.log");
}


# Lines that match do not fail the test.
sub allow_log ($self, @patterns) {
    push @{ $self->{allow} }, @patterns;
    return;
}


sub alarms ($self) {
    my @alarms;

    for my $nginx (@{ $self->{nginx} }) {
        for my $path (@$nginx{qw(log stderr)}) {
            push @alarms, grep { $self->alarming($_) }
                split /\n/, slurp($path);
        }
    }

    push @alarms, grep { /$SANITIZER/ } split /\n/, slurp($_->{log})
        for @{ $self->{redis} };

    return @alarms;
}


sub alarming ($self, $line) {
    return if $line !~ /$ALARM/ && $line !~ /$SANITIZER/;
    return !grep { $line =~ $_ } @{ $self->{allow} };
}


# The end.

# Stops the servers, looks at the logs, ends the test.
sub done ($self) {
    my @killed = $self->stop;

    Test::More::is(join("\n", @killed), '', 'every nginx has ended by itself');
    Test::More::is(join("\n", $self->alarms), '', 'no alarm in the logs');
    Test::More::done_testing();

    @open = grep { $_ != $self } @open;
    $self->clean_up(Test::More->builder->is_passing);

    return;
}


# Returns the names of those that had to be killed.
sub stop ($self) {
    # browsers first: nginx waits for the connections that they keep
    $_->quit for values %{ $self->{browsers} };

    my @killed = map { $_->{name} } grep { !$_->stop } @{ $self->{nginx} };

    $_->stop for @{ $self->{fakes} }, @{ $self->{redis} };

    return @killed;
}


sub clean_up ($self, $passed) {
    if (!$passed) {
        $self->show_logs;
    } elsif (!$ENV{CG_KEEP}) {
        remove_tree($self->{dir});
    }

    return;
}


sub show_logs ($self) {
    Test::More::diag("kept: $self->{dir}");

    # those that were written to last
    my @paths = sort { -M $a <=> -M $b } grep { -s && !/\.access\.log$/ }
        glob "$self->{dir}/*.log $self->{dir}/redis*/*.log";
    splice @paths, $LOGS if @paths > $LOGS;

    for my $path (sort @paths) {
        my @lines = split /\n/, slurp($path);

        splice @lines, 0, @lines - $TAIL if @lines > $TAIL;
        Test::More::diag("--- end of $path");
        Test::More::diag($_) for @lines;
    }

    return;
}


# A test that died, or forgot done().
END {
    my $status = $?;

    for my $self (grep { $_->{owner} == $$ } @open) {
        eval { $self->stop };
        Test::More::diag('the test has not come to $t->done');
        $self->show_logs;
        $status ||= 1;
    }

    @open = ();
    $? = $status;
}

1;

__END__

=head1 NAME

ConsentGate::Test - a private nginx, a private Redis, and their logs

=head1 SYNOPSIS

    use v5.36;
    use lib 't/lib';
    use Test::More;
    use ConsentGate::Test;

    my $t = ConsentGate::Test->new;

    $t->page('index.html', 'home');
    $t->nginx(<<'END');
        %%CONSENT%%
        %%REALIP%%
        server {
            listen 127.0.0.1:%%PORT%%;
            root %%ROOT%%;
            consent_gate on;
        }
    END

    my $r = $t->browser('DE')->get('/');
    is $r->status, 302, 'a German is sent to the page';
    like $r->location, qr{^/policy-update\?}, 'to this page';
    is $t->browser('US')->get('/')->body, 'home', 'an American passes';

    $t->done;

=head1 DESCRIPTION

A test has a directory F<build/t/NAME>. It is removed when the test passes,
unless CG_KEEP is set; when it fails, its path and the ends of its logs are
shown. Processes end with the test, also when it dies.

C<done> stops the servers and fails the test if nginx had to be killed, or if a
log holds a line of level alert, crit or emerg, or a sanitizer's report, that
C<allow_log> does not allow.

=head2 Configuration

What C<nginx> gets is the content of C<http {}>; with C<< main => >>,
C<< events => >> and C<< workers => >> for the rest. Text that has an
C<http {> of its own is taken as a whole configuration. Placeholders:

    %%PORT%% %%PORT_name%%   a free port, the same for the same name
    %%DIR%% %%ROOT%% %%TOP%% the test's directory; its pages; the checkout
    %%REDIS%%                unix:/..., of a redis-server that is started
    %%FAKE%%                 the address of the first fake()
    %%KEYS%%                 a key file
    %%PASSWORD%%             the file of the password of Redis' user "gate"
    %%GEO%% %%REALGEO%%      the standard database; the one of tor-geoipdb
    %%CONSENT%%              store, keys, database, three documents, page
    %%REALIP%%               the client's address from X-Real-IP
    %%CERT%% %%CERTKEY%%     a certificate for localhost and its key
    %%MAIN%% %%EVENTS%% %%HTTP%%   for whole configurations

=head2 Methods

=over

=item C<new(%options)>

C<< module => 0 >> does not load the module; C<< name => >> instead of that of
the file.

=item C<nginx($text, %options)>, C<nginx_t($text)>, C<reload($text)>

A running L<ConsentGate::Nginx>; C<< { code, output } >> of a check; false when
nginx refuses the new configuration.

=item C<redis(%options)>, C<fake(%script)>, C<publish(%policies)>

L<ConsentGate::Redis>, the first one when it runs already;
L<ConsentGate::Fake>; HSET of C<gc:p>.

=item C<chromium(%options)>

L<ConsentGate::Chromium> without a cookie.

=item C<http(%options)>, C<browser($country)>, C<script($country)>, C<get>, C<post>, C<curl>

L<ConsentGate::HTTP> clients: plain, one that navigates and keeps cookies, one
that calls an API.

=item C<page($name, $content)>, C<write_file($name, $content, $mode)>, C<key_file(@lines)>, C<certificate>

=item C<mmdb(\%networks, %options)>, C<standard_database>, C<real_database>

Paths of databases, see L<ConsentGate::Geo>. C<address_of($country, $version,
$host)> is exported.

=item C<log>, C<log_size>, C<access_log>, C<wait_for_log($pattern, from =E<gt> N, timeout =E<gt> S)>, C<allow_log(@patterns)>

=item C<done>

=back

C<wait_for($condition, $timeout)> and C<slurp($path)> are exported too.

=head1 ENVIRONMENT

    CG_NGINX   the nginx that is tested: /usr/sbin/nginx
    CG_MODULE  the module: build/ngx_http_consent_gate_module.so; empty when
               it is built into nginx
    CG_REDIS   redis-server
    CG_BUILD   build/
    CG_KEEP    keep the directories of tests that pass
    CG_DEBUG   log at level debug

=cut
